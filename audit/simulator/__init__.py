"""A Webex organization to practise on: real HTTP, with answers and faults that the API is known to send.

It shares no code with the client that it judges.
"""
