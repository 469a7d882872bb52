"""From scores to ensembles: scores, players, renderers, rooms."""
