"""What is looked at after a page ran, beyond what it shows itself."""
