import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the module that the tests here share
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the tools package is not installed
