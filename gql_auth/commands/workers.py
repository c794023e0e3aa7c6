"""Workers of one server, watched by uvicorn's supervisor, and a supervisor that sees them die."""

from multiprocessing.connection import wait

from uvicorn.supervisors import multiprocess


class Worker(multiprocess.Process):
    """uvicorn's worker process. Its supervisor holds the worker's end of the line open itself, so
    one that is killed while it is asked how it is would be waited for as long as one that is
    slow: a minute without a replacement, and deaf to signals."""

    def _healthcheck(self, timeout: float) -> bool | None:
        """Whether it serves; None where it does not answer, or has ended."""
        try:
            self.parent_conn.send(b"ping")
            if self.parent_conn in wait([self.parent_conn, self.process.sentinel], timeout):
                started: bool = self.parent_conn.recv()
                return started
        except (OSError, EOFError):
            pass
        return None


class Supervisor(multiprocess.Multiprocess):
    """Keeps workers alive. uvicorn names the class of its workers in one place alone."""

    def run(self) -> None:
        """Serve until told to stop."""
        multiprocess.Process = Worker  # type: ignore[misc]
        super().run()
