"""Sign up, log in, refresh, log out: the flows over the features before."""
