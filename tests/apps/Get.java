// Get.java - asks a URL with java's HttpClient and prints the status, a header and the body.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

class Get {
    public static void main(String[] arguments) throws Exception {
        try {
            HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
            HttpResponse<String> answer =
                client.send(HttpRequest.newBuilder(new URI(arguments[0])).build(),
                            HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " +
                               answer.headers().firstValue("X-Degraded").orElse("-") + " " +
                               answer.body().strip());
        } catch (Exception error) {
            System.out.println(error);
        }
        System.exit(0);
    }
}
