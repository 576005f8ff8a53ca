"""Run a subject's clauses on several processes (``gdprops check -n N``), with pytest-xdist.

`controller.py` runs in the main process, `worker_plugin.py` and `worker_items.py` in each worker, and `request.py`
describes the run as text for the workers. The verdict of an item is always decided in `gdprops.runner.session`.
"""
