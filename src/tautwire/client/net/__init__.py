"""Web API calls of the client's own, and what goes wrong between us and the server.

web_client      slack_sdk's clients, made from the settings
bounded         a client with bounds on answers and redirects
calls           reading calls that are repeated, page by page
resolver        host name look-ups that can be left
network_errors  errors of libraries and proxies, in words that say what to do
api_errors      how the Web API says no: status, error string, seconds to wait
"""
