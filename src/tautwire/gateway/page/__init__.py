"""What the web page shows of a gateway.

``status`` the form of what is shown · ``reporter`` reads it from the parts of the bots · ``checkup`` runs the doctor's
checks · ``part`` the paths, which a session of the page alone may use (``server.page.door``)
"""
