"""What more than one area of the integration tests starts."""

import pytest
import sidecar as sc


@pytest.fixture
def make(tmp_path):
    """Sidecars by their sections; each is closed at the end."""
    made = []

    def build(**sections):
        made.append(sc.Sidecar(tmp_path, **sections))
        return made[-1]

    yield build
    for one in made:
        one.close()
