"""`fit` for any Keras model, with the loop over the batches on the device."""
