"""`fit` for any Keras model, with the loop over the mini-batches on the device."""
