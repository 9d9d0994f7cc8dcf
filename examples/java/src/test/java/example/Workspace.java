package example;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;

/** A workspace of tautwire that a test starts, drives and stops. */
final class Workspace implements AutoCloseable {
    private final Process server;
    private final HttpClient http = HttpClient.newHttpClient();
    private final JsonObject printed;

    /** Start a workspace; tautwire must be on the path, or TAUTWIRE must name it. */
    Workspace(Path data, String seed) throws IOException {
        String name = System.getenv().getOrDefault("TAUTWIRE", "tautwire");
        server = new ProcessBuilder(
                        name, "serve", "--json", "--control", "on", "--port", "0",
                        "--data", data.toString(), "--seed", seed)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        BufferedReader output =
                new BufferedReader(new InputStreamReader(server.getInputStream(), StandardCharsets.UTF_8));
        String line = output.readLine();
        if (line == null) {
            throw new IOException("the server ended before it served");
        }
        printed = JsonParser.parseString(line).getAsJsonObject();
    }

    String apiUrl() {
        return printed.get("api_url").getAsString();
    }

    /** Return a token of an app of the seed: bot_token or app_token. */
    String token(String app, String kind) {
        return printed.getAsJsonObject("apps").getAsJsonObject(app).get(kind).getAsString();
    }

    /** Carry out an operation of the control API. */
    JsonObject operate(String operation, Map<String, Object> arguments) throws IOException, InterruptedException {
        JsonObject control = printed.getAsJsonObject("control");
        HttpRequest request = HttpRequest.newBuilder(URI.create(control.get("url").getAsString() + operation))
                .header("Authorization", "Bearer " + control.get("secret").getAsString())
                .POST(HttpRequest.BodyPublishers.ofString(new Gson().toJson(arguments)))
                .build();
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new IOException(operation + ": " + response.body());
        }
        return JsonParser.parseString(response.body()).getAsJsonObject();
    }

    @Override
    public void close() {
        server.destroy();
        server.onExit().join();
    }
}
