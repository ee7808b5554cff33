import Replaying
