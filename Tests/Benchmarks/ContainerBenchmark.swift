enum ContainerBenchmark {
  static func run(_ arguments: [String]) throws {}
}
