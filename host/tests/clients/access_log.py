"""A log in Apache's combined form, read by apachelogs: `access_log.py FILE`. Prints a line of JSON for each of its lines."""

import json
import sys

from apachelogs import COMBINED, LogParser


def main(file):
    parser = LogParser(COMBINED, encoding="utf-8")
    with open(file) as lines:
        for entry in parser.parse_lines(lines):
            print(json.dumps({
                "remote": entry.remote_host,
                "user": entry.remote_user,
                "time": entry.request_time.timestamp(),
                "request": entry.request_line,
                "status": entry.final_status,
                "bytes": entry.bytes_sent,
                "referer": entry.headers_in["Referer"],
                "agent": entry.headers_in["User-Agent"],
            }))


if __name__ == "__main__":
    main(*sys.argv[1:])
