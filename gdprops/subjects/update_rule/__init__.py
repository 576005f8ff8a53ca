"""Update rules: pure functions over NumPy arrays, `(params, grads, state) -> (params, state)`."""
