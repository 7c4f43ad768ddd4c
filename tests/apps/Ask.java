// Ask.java - asks a URL by either of java's HTTP clients and prints what went wrong.
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.cert.X509Certificate;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

class Ask {
    private static SSLContext trusting() throws Exception {
        X509ExtendedTrustManager anybody = new X509ExtendedTrustManager() {
            public void checkClientTrusted(X509Certificate[] c, String a) { }
            public void checkServerTrusted(X509Certificate[] c, String a) { }
            public void checkClientTrusted(X509Certificate[] c, String a, java.net.Socket s) { }
            public void checkServerTrusted(X509Certificate[] c, String a, java.net.Socket s) { }
            public void checkClientTrusted(X509Certificate[] c, String a, javax.net.ssl.SSLEngine e) { }
            public void checkServerTrusted(X509Certificate[] c, String a, javax.net.ssl.SSLEngine e) { }
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        };
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {anybody}, null);
        return context;
    }

    public static void main(String[] arguments) throws Exception {
        URI uri = new URI(arguments[1]);
        try {
            if (arguments[0].equals("urlconnection")) {
                HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
                if (connection instanceof HttpsURLConnection https)
                    https.setSSLSocketFactory(trusting().getSocketFactory());
                connection.getInputStream().readAllBytes();
            } else {
                HttpClient.Builder builder = HttpClient.newBuilder();
                if (uri.getScheme().equals("https"))
                    builder.sslContext(trusting());
                builder.build().send(HttpRequest.newBuilder(uri).build(),
                                     HttpResponse.BodyHandlers.ofString());
            }
            System.out.println("answered");
        } catch (Exception error) {
            System.out.println(error);
        }
        System.exit(1);
    }
}
