"""A Webex organization to practise on: real HTTP, answers and faults as the API is known to send.

It shares no code with the client that it judges.
"""
