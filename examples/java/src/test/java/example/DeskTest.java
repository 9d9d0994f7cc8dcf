package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.slack.api.bolt.socket_mode.SocketModeApp;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of an app in Java: they start a workspace, act as a person, and wait for what the app does. */
final class DeskTest {
    private Workspace workspace;
    private SocketModeApp app;

    @BeforeEach
    void start(@TempDir Path data) throws Exception {
        workspace = new Workspace(data, "seed.yaml");
        String before = workspace.operate("position", Map.of()).get("journal").getAsString();
        app = Desk.start(
                workspace.apiUrl(), workspace.token("desk", "bot_token"), workspace.token("desk", "app_token"));
        workspace.operate("wait", Map.of("kind", "connection", "app", "desk", "after_entry", before));
    }

    @AfterEach
    void stop() throws Exception {
        app.stop();
        workspace.close();
    }

    @Test
    void theAppAnswersAQuestion() throws Exception {
        JsonObject asked =
                workspace.operate("say", Map.of("user", "alice", "channel", "general", "text", "ask why"));

        // From the position before the question: the answer is found, however fast it was.
        JsonObject waited = workspace.operate("wait", Map.of("user", "desk", "after", position(asked)));

        assertTrue(waited.get("message").isJsonObject(), () -> "what came instead: " + waited.get("transcript"));
        assertEquals("You asked: why", text(waited.getAsJsonObject("message")));
    }

    @Test
    void theAppFilesATicketAndClosesIt() throws Exception {
        JsonArray shown = workspace
                .operate("command", Map.of("user", "alice", "channel", "general", "text", "/ticket printer"))
                .getAsJsonArray("shown");
        JsonObject ticket = shown.get(shown.size() - 1).getAsJsonObject();
        assertEquals("Ticket: printer", text(ticket));

        JsonObject clicked = workspace.operate("click", Map.of(
                "user", "alice", "channel", "general", "ts", ticket.get("ts").getAsString(), "action_id", "close"));

        JsonObject waited = workspace.operate(
                "wait", Map.of("kind", "edit", "equals", "Closed: printer", "after", position(clicked)));
        assertTrue(waited.get("message").isJsonObject(), () -> "what came instead: " + waited.get("transcript"));
    }

    private static String position(JsonObject answer) {
        return answer.get("position").getAsString();
    }

    private static String text(JsonObject message) {
        return message.get("text").getAsString();
    }
}
