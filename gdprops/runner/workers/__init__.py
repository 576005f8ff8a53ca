"""One run on several processes: the request that travels, the controlling side, and the pytest plugin in each worker.

What a single item shows is decided in `gdprops.runner.session`, never here.
"""
