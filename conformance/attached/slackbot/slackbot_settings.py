PLUGINS = ["replies"]
