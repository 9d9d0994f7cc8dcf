from errbot import BotPlugin


class Hello(BotPlugin):
    def callback_message(self, message):
        if message.body == "hello":
            self.send(message.to if message.is_group else message.frm, "hello from errbot")
