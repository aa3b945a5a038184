"""Two servers of Socket.IO with its Redis adapter, in processes of their own, and clients of both in one room."""

import os
import subprocess

from _harness import equal, main, serve


def rooms_over_two_servers():
    with serve(2) as server:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_socket_io", "clients.js")
        done = subprocess.run(
            [os.environ["TORC_NODE"], script, str(server.port)], capture_output=True, text=True, timeout=90, check=False
        )
        equal((done.returncode, done.stdout, done.stderr), (0, "all heard everything\n", ""))


main([rooms_over_two_servers])
