internal import Tensors
