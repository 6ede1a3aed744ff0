"""Runs a command at a pseudo-terminal: terminal.py STEPS COMMAND…

STEPS is JSON: a list of [wait for this text behind the last one, then type this]. All that the terminal showed is printed,
then the exit status on a line of its own.
"""
import json
import os
import pty
import select
import sys
import time

steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update({"TERM": "xterm", "COLUMNS": "200"})
    os.environ.pop("NO_COLOR", None)
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
seen = 0
deadline = time.time() + 60
while time.time() < deadline:
    if steps:
        at = shown.find(steps[0][0].encode(), seen)
        if at >= 0:
            seen = at + len(steps[0][0].encode())
            time.sleep(0.05)
            os.write(terminal, steps.pop(0)[1].encode())
            continue
    if not select.select([terminal], [], [], 0.1)[0]:
        continue
    try:
        more = os.read(terminal, 65536)
    except OSError:
        break
    if not more:
        break
    shown += more
else:
    os.kill(pid, 9)
sys.stdout.buffer.write(shown)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(f"\nstatus {status}, {len(steps)} steps left")
