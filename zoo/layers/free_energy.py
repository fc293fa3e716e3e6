"""The free energy of an RBM with a gradient by one matrix product."""

from __future__ import annotations

from typing import Any

from keras import ops


def free_energy(rbm: Any, v: Any, hidden_input: Any) -> Any:
    """Returns F(v) from the total input of the hidden units, which the caller has computed already.

    `v` receives no gradient. The gradient of the parameters is the expected gradient of the energy, for the weights
    `-v P(h = 1 | v)'`, computed by one matrix product for all examples: twice as fast as back-propagation through
    `hidden_input`.

    Args:
        rbm: An `RBM` layer.
        v: Visible states, `(batch, visible)`.
        hidden_input: Result of `RBM.hidden_input`, `(batch, hidden)`.

    Returns:
        `(batch,)`, in nats.
    """
    v, hidden_input = ops.stop_gradient(v), ops.stop_gradient(hidden_input)
    h, sigma = ops.sigmoid(hidden_input), rbm.sigma

    @ops.custom_gradient
    def compute(kernel: Any, visible_bias: Any, hidden_bias: Any) -> Any:
        def gradient(*upstream: Any) -> tuple[Any, Any, Any]:
            weight = ops.cast(upstream[-1], v.dtype)[:, None]
            on_hidden = -weight * h
            on_visible = -weight * (v - ops.cast(visible_bias, v.dtype) if rbm.visible == "gaussian" else v)
            gradients = (
                ops.matmul(ops.transpose(v / sigma if sigma != 1 else v), on_hidden),
                ops.sum(on_visible / sigma**2 if sigma != 1 else on_visible, axis=0),
                ops.sum(on_hidden, axis=0),
            )
            return tuple(ops.cast(value, kernel.dtype) for value in gradients)

        # log(1 + exp(x)) is max(x, 0) minus the logarithm of the probability of the more likely state.
        softplus = ops.relu(hidden_input) - ops.log(ops.maximum(h, 1 - h))
        return rbm.visible_energy(v, visible_bias) - ops.sum(softplus, axis=-1), gradient

    # TensorFlow requires tensors here; `convert_to_tensor` returns a variable as it is.
    return compute(*map(ops.copy, (rbm.kernel, rbm.visible_bias, rbm.hidden_bias)))
