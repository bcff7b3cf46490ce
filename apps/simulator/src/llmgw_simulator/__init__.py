"""Provider simulators: OpenAI (and Azure), Anthropic, Gemini, Vertex AI and Bedrock, deterministic and with faults.

For tests and benchmarks of anything that talks to these providers. Four layers that know as little as possible of each
other: the engine decides what to answer (`engine`, on the neutral `ask`), a dialect reads and writes a provider's JSON
(`dialects`), a script says what is sent when and what goes wrong (`script`, `faults`), and a transport performs it
(`http1`). Only the transport does I/O. It imports no other package of this workspace, so that it is a second opinion of
the wire formats and not the same mistakes twice.
"""

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.faults import Fault, Match, Rule
from llmgw_simulator.script import Pace
from llmgw_simulator.simulator import Running, Simulator

__all__ = ["Fault", "Match", "Pace", "Rule", "Running", "Simulator", "SimulatorConfig"]
