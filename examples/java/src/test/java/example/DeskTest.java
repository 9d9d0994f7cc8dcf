package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.slack.api.bolt.socket_mode.SocketModeApp;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of an app in Java: they start a workspace, speak as a person, and wait for what the app does. */
final class DeskTest {
    private Workspace workspace;
    private SocketModeApp app;
    private String beforeStart;

    @BeforeEach
    void start(@TempDir Path data) throws Exception {
        workspace = new Workspace(data);
        beforeStart = workspace.control("position", "{}").get("journal").getAsString();
        app = Desk.start(
                workspace.apiUrl(), workspace.token("desk", "bot_token"), workspace.token("desk", "app_token"));
    }

    @AfterEach
    void stop() throws Exception {
        app.stop();
        workspace.close();
    }

    @Test
    void theAppAnswersAQuestion() throws Exception {
        JsonObject asked =
                workspace.control("say", "{'user': 'alice', 'channel': 'general', 'text': 'ask why'}");

        // From the position of the question: the answer is found, however fast it was. An app that was not
        // connected yet gets the question later.
        JsonObject waited = workspace.control(
                "wait",
                "{'channel': 'general', 'user': 'desk', 'timeout': 20, 'after': '"
                        + asked.get("position").getAsString() + "'}");

        assertTrue(waited.get("message").isJsonObject(), () -> "what came instead: " + waited.get("transcript"));
        assertEquals("You asked: why", waited.getAsJsonObject("message").get("text").getAsString());
    }

    @Test
    void theAppFilesATicket() throws Exception {
        // A command needs an app that is connected: so wait for that, from before the start.
        workspace.control(
                "wait",
                "{'kind': 'connection', 'state': 'connected', 'app': 'desk', 'timeout': 20, 'after_entry': '"
                        + beforeStart + "'}");

        JsonObject shown = workspace.control(
                "command", "{'user': 'alice', 'channel': 'general', 'text': '/ticket printer'}");

        assertTrue(shown.toString().contains("Ticket: printer"), shown::toString);
    }
}
