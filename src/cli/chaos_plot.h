/* chaos_plot.h - the plots of a report, as SVG in the page. */
#ifndef SHEARPIN_CLI_CHAOS_PLOT_H
#define SHEARPIN_CLI_CHAOS_PLOT_H

#include "cli/chaos_report.h"

/* Percentiles before, during and after, times on a logarithmic scale. */
void plot_percentiles(const struct report_target *target, FILE *out);
/* Shares of the calls that failed and that were refused. */
void plot_outcomes(const struct report_target *target, FILE *out);
/* The states of its breaker from a little before the start to a little after the end. */
void plot_breaker(const struct chaos_view *view, unsigned target, FILE *out);

/* Text as HTML has it. */
void html_text(FILE *out, const char *text, size_t max);

#endif
