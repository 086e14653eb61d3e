"""More than one server process: nodes that find each other through Redis, and the workers of one machine.

A session lives on one node, and its audio never leaves it. What nodes share is small: how loaded they are
(`placement`), what teachers on other nodes see of a class (`classes`), and what a session needs to go on elsewhere
(`snapshots`). Every node works alone when Redis is gone, and takes up with the others when it is back.
"""
