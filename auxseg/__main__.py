"""``python -m auxseg`` is the command ``auxseg``."""

from auxseg.use.commands import main

main()
