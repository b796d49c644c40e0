"""The most that is read, kept and written of what comes from outside.

These are limits of our own: a sender decides neither the memory of a run nor the depth of a recursion. The largest
answers that the API is known to send are pages of 1,000 workspaces, about a megabyte.
"""

#: Bytes of an answer, decompressed: 20,000 members with their numbers have 8 MB.
ANSWER_BYTES = 16 << 20
#: Bytes of an answer with an error that are read: an error of the API has some hundred.
ERROR_BYTES = 64 << 10
#: Bytes of an answer of the token endpoint; a grant has about a kilobyte.
GRANT_BYTES = 1 << 20
#: Bytes of a header: a next link may be long.
HEADER_BYTES = 64 << 10
#: Bytes of an answer that each request may hold; longer answers take turns (`audit.webex.room`).
SMALL_BYTES = 64 << 10
#: Answers at once that may hold that many bytes, from the smallest room to the largest.
ROOMS = ((1 << 20, 12), (ANSWER_BYTES, 1))

#: Values in a document that becomes Python objects, some 100 bytes each: 1,000 workspaces have 20,000.
VALUES = 200_000
#: Bytes and values of a page of a listing, of which 20 organizations may hold a page each: 1,000 people with their
#: calling data have 2.5 MB and 60,000 values.
PAGE_BYTES = 3 << 20
PAGE_VALUES = 100_000
#: Values in the answer for an entity, which becomes columns: 20,000 members with a number have 320,000.
ANSWER_VALUES = 700_000
#: Levels of lists and objects: the API's have six, and Python's own functions stop at some hundred.
DEPTH = 64

#: Bytes of a text that becomes a cell.
TEXT_BYTES = 16 << 10
#: Characters of a name in a listing, which every row of the entity repeats.
NAME_CHARS = 500
#: Meeting sites of a user: each is a request.
SITES = 100
#: Memory for the names of a listing, as Python objects, of which 20 organizations at once may have a listing each: a
#: location has some 350 bytes, so these are 17,000.
NAMES_BYTES = 6 << 20
#: Memory for the names of licenses, which are few.
LICENSES_BYTES = 1 << 20
#: Memory for the names of organizations, which a run lists once.
ORG_NAMES_BYTES = 24 << 20
#: Organizations that a listing may give, with and without a usable id: each has some 500 bytes.
ORGANIZATIONS = 100_000

#: Distinct unknown fields that are counted by name; a new version of the API does not add more.
UNKNOWN_NAMES = 1000
#: Characters of the name of an unknown field.
UNKNOWN_CHARS = 120

#: Bytes of answers that all open batches of a process hold in memory; what comes then waits on the disk.
HELD_BYTES = 24 << 20
#: Bytes of answers that wait to be written to the draft.
LOG_BYTES = 4 << 20
#: Bytes of answers that are flattened at once, and of the rows that become of them.
SLICE_BYTES = 16 << 20
#: Bytes of the rows of one answer: the rows of 100,000 members have 40 MB.
ROWS_BYTES = 48 << 20
#: Bytes of a row besides its texts.
ROW_BYTES = 250
