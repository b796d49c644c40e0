"""Signs in with an integration of the user's own, and stores the refresh token where a run finds it."""
