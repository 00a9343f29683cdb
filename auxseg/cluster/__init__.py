"""Work on the machines of a Ray cluster. Without Ray installed, nothing here can be used."""
