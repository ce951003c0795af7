"""A topic that cannot be read: every cause is told from the others, and named with its remedy."""

import socket
import time
import uuid
from typing import Any

import pytest
from conftest_types import Secure  # type: ignore[import-not-found]
from kafka import KafkaAdminClient
