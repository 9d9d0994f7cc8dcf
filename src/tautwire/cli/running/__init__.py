"""Commands that look at a running server or speak in it: status, tail, say."""
