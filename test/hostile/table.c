// SPDX-License-Identifier: MIT
/* Every known attack, what it needs, and what a server has to write down of it. */
#include "attack.h"

const struct attack attacks[] = {
    {"fd_flood", fd_flood, NEEDS_SEQ | SPEAKS | LENDS, FDS},
    {"fd_flood_unasked", fd_flood_unasked, NEEDS_STREAM, SILENT | FDS | BAD_FRAME},
    {"fd_flood_full_table", fd_flood_full_table, NEEDS_SEQ | FULL_TABLE | KNOWS_US | LENDS, FULL},
    {"slow_close", slow_close, NEEDS_SEQ | SPEAKS | LENDS, STRANGE | FDS | RESET},
    {"slow_close_unread", slow_close_unread, NEEDS_SEQ | SPEAKS | LENDS, FDS | QUOTA | RESET},
    {"slow_close_nested", slow_close_nested, NEEDS_SEQ | SPEAKS | HOLDS_UP, STRANGE | FDS | RESET},
    {"passed_into_themselves", passed_into_themselves, NEEDS_SEQ | SPEAKS | LENDS, STRANGE},
    {"strange_fds", strange_fds, NEEDS_SEQ | SPEAKS | LENDS, STRANGE},
    {"in_flight_limit", in_flight_limit, NEEDS_STREAM | AS_OTHER_ONLY, SILENT | BAD_FRAME},
    {"control_garbage", control_garbage, NEEDS_SEQ | SPEAKS | LENDS, CAME},
    {"half_frames", half_frames, NEEDS_STREAM, BAD_FRAME | SILENT},
    {"bad_frames", bad_frames, NEEDS_STREAM, BAD_FRAME},
    {"byte_by_byte", byte_by_byte, NEEDS_STREAM, SILENT},
    {"never_reading", never_reading, NEEDS_CONNECTIONS | SPEAKS, NOT_READING},
    {"never_writing", never_writing, NEEDS_CONNECTIONS, SILENT},
    {"empty_flood", empty_flood, NEEDS_SEQ | SPEAKS, EMPTY},
    {"huge_packets", huge_packets, NEEDS_SEQ, TOO_LARGE},
    {"large_packets", large_packets, NEEDS_SEQ | SPEAKS, CAME},
    {"out_of_band", out_of_band, NEEDS_STREAM, BAD_FRAME},
    {"notify_flood", notify_flood, NEEDS_NOTIFY | SPEAKS, BAD_FRAME},
    {"notify_fds", notify_fds, NEEDS_NOTIFY | SPEAKS | LENDS, FDS | BAD_FRAME},
    {"connect_storm", connect_storm, NEEDS_CONNECTIONS, QUOTA},
    {"come_and_go", come_and_go, NEEDS_CONNECTIONS | SPEAKS, CAME},
    {"leave_unread", leave_unread, NEEDS_CONNECTIONS | SPEAKS, RESET | ENDED},
    {"shut_all_ways", shut_all_ways, NEEDS_CONNECTIONS | SPEAKS, CAME},
    {"stopped_peers", stopped_peers, NEEDS_CONNECTIONS | SPEAKS, NOT_READING | SILENT},
    {"killed_peers", killed_peers, NEEDS_CONNECTIONS | SPEAKS, CAME},
    {"forged_credentials", forged_credentials, NEEDS_SEQ, FORGED},
    {"nobody_comes", nobody_comes, NEEDS_SEQ | AS_NOBODY | KNOWS_US, REFUSED},
    {"passed_connection", passed_connection, NEEDS_SEQ | AS_ROOT_ONLY | KNOWS_US, FORGED},
    {"pid_comes_again", pid_comes_again, NEEDS_SEQ | AS_ROOT_ONLY | OWN_PIDS | KNOWS_US, STALE_PID},
};
const unsigned nattacks = sizeof attacks / sizeof *attacks;
