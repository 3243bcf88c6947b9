package sandbox

const wrapperName = "wrapper"

func wrap([]string) int { return 0 }
