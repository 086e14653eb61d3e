"""Figures of accuracy over labelled recordings, and the page that shows them.

``clips`` what is recited where · ``hearing`` what the model makes of it · ``following``, ``swaps``, ``delay`` what the
line makes of that · ``intervals``, ``figures`` the sums · ``run`` all of it in several processes · ``charts``,
``page`` pictures.
"""
