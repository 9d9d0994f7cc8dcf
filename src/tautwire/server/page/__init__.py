"""The web page: its files, its sessions and its door.

``files`` what the package has in ``tautwire/page`` · ``sessions`` one-time keys and the sessions that they open ·
``door`` the paths below ``/_page/`` · ``control`` the control API as the page may use it · ``link`` the file with the
link that opens the page
"""
