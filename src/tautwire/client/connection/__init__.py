"""Connections: asking for one, keeping one up, changing from one to the next, and the socket below.

supervisor     keeps one connection up; the table of states, and that of endings
attempts       when the next attempt is made
budget         the attempts that all clients of a token share
waiting_calls  connect(), run() and the like while they wait
observer       what a supervisor reports
handover       a planned change: the old connection brings what is on its way, then the new one speaks
connection     one connection: the socket, its session, its timer
intake         what a connection passes on, what it keeps back, and whether it reads
replies        how the wait for a reply ends
rtm_connect    rtm.connect: the call, its answer, and what its refusals mean
transport      the WebSocket: the only module that knows picows
"""
