"""Files: their upload, the messages that share them, who may see them, and their end.

``names`` names and types · ``facts`` what is found in the bytes · ``uploads`` units from the reservation to the stored
file · ``intake`` the bytes as they come · ``shares`` where a file is shared, below ``messaging`` · ``sharing`` from a
stored file to messages · ``reading`` who may read what · ``objects`` the file object · ``removal`` what is cleared
away.
"""
