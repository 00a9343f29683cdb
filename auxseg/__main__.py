"""``python -m auxseg`` runs the command ``auxseg``."""

from auxseg.use.commands import main

main()
