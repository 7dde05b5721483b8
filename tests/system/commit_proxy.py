# SPDX-License-Identifier: Apache-2.0
"""A proxy on a Unix socket in front of PostgreSQL that can swallow the reply to a COMMIT and cut the connection."""
import os
import select
import socket
import threading


class CommitProxy:
    def __init__(self, folder, server):
        self.folder, self.server, self.swallowed = folder, server, 0
        self.armed = threading.Event()
        self.stopping = False
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o777)
        path = os.path.join(folder, os.path.basename(server))
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow_next(self):
        self.armed.set()

    def _accept(self):
        while not self.stopping:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.server)
            committing = False
            while not self.stopping:
                for sock in select.select([client, server], [], [], 0.5)[0]:
                    data = sock.recv(65536)
                    if not data:
                        return
                    if sock is client:
                        server.sendall(data)
                        committing = committing or (b"COMMIT" in data.upper() and self.armed.is_set())
                    elif committing and b"COMMIT\0" in data:
                        # PostgreSQL has committed ("CommandComplete COMMIT"); the writer will never know from us.
                        self.armed.clear()
                        self.swallowed += 1
                        return
                    else:
                        client.sendall(data)
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.listener.close()
