"""What a step of the edge costs in software: everything but the model's forward."""
