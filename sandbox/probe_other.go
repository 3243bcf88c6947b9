//go:build !linux

package sandbox

// Probe says that no layer can be had on this system.
func Probe() (Machine, error) {
	var gaps []Gap
	for _, row := range Table() {
		gaps = append(gaps, Gap{Layer: row.Layer, Reason: errUnsupported.Error()})
	}
	return Machine{Layers: statuses(gaps)}, nil
}
