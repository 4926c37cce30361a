"""Stands in for pip's installer in ansible-test's environments: brings pip from Python's own copy, then lets it install what is wanted."""

import ensurepip
import os
import subprocess
import sys

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

ensurepip.bootstrap()
wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
if os.path.exists(CERTIFICATES):
    # ansible-test clears the environment, and with it the user's own setting.
    os.environ.setdefault("PIP_CERT", CERTIFICATES)
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *wanted]))
