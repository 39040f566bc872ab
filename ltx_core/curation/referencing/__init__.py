"""References: what a control model is shown beside the target; a file for each kind."""
