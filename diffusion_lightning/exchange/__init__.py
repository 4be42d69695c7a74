"""Open doors: trained models written for other libraries, and published weights read from them."""
