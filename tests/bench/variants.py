"""The ways in which a workload runs: bare, forwarded, guarded, and under the alternatives.

A variant says what stands before the command, what is in its environment, and which address the
workload asks instead of the server's.
"""
import os

from world import GUARDED, LIBRARY, TESTS, program


class Variant:
    def __init__(self, name, env=None, prefix=(), port=None, segment=None):
        self.name, self.env, self.prefix = name, env or {}, list(prefix)
        self.port, self.segment = port, segment


def bare(_world, _site):
    return Variant("bare")


def forward(_world, _site):
    return Variant("forward", {"LD_PRELOAD": os.path.join(TESTS, "libforward.so")})


def guarded(world, site, lines=None, before="", name="shearpin"):
    segment, path = world.policy(lines or GUARDED, site.match, before)
    return Variant(name, {"LD_PRELOAD": LIBRARY, "SHEARPIN_POLICY": path}, segment=segment)


def haproxy_tcp(world, site):
    return Variant("haproxy tcp", port=world.haproxy("tcp", site.port, site.cpu))


def haproxy_http(world, site):
    return Variant("haproxy http", port=world.haproxy("http", site.port, site.cpu))


def nginx_stream(world, site):
    return Variant("nginx stream", port=world.nginx_stream(site.port, site.cpu))


def proxychains(world, _site):
    """Loopback is excepted from proxying: what is left is the cost of its wrappers."""
    config = world.write("proxychains.conf", "strict_chain\nquiet_mode\n"
                         "localnet 127.0.0.0/255.0.0.0\n[ProxyList]\nsocks5 127.0.0.1 9\n")
    return Variant("proxychains4", prefix=[program("proxychains4"), "-q", "-f", config])


def trickle(_world, _site):
    return Variant("trickle", prefix=[program("trickle"), "-s", "-d", "10000000", "-u", "10000000"])


def fiu_run(_world, _site):
    return Variant("fiu-run", prefix=[program("fiu-run"), "-x"])


def socket_wrapper(world, site):
    """It replaces TCP by unix sockets, on both sides: the server runs under it, too."""
    program("socket_wrapper", "/usr/lib/x86_64-linux-gnu/libsocket_wrapper.so",
            "/usr/lib/aarch64-linux-gnu/libsocket_wrapper.so")
    os.makedirs(world.path("swrap"), exist_ok=True)
    env = {"LD_PRELOAD": "libsocket_wrapper.so", "SOCKET_WRAPPER_DIR": world.path("swrap"),
           "SOCKET_WRAPPER_DEFAULT_IFACE": "1"}
    return Variant("socket_wrapper", env, port=site.another_server(env))


SIDECARS = [haproxy_tcp, haproxy_http, nginx_stream]
LIBRARIES = [proxychains, trickle, fiu_run, socket_wrapper]
