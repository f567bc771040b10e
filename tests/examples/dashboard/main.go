// SPDX-License-Identifier: Apache-2.0

// Command dashboard reads Grafana dashboards by the types that Grafana's own schema makes, strictly: a field that none of
// them has, of a wrong type, or against a constraint is an error. Options of panels and queries are read by their plugins' types.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/grafanapyroscope"
)

// The strict reader returns an empty list of complaints as an error, too. So it fills nothing in, and only complains.
func complaints(err error) error {
	var list cog.BuildErrors
	if errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}

// Queries of Pyroscope's data source, which the dashboard's own reader passes over.
func checkPyroscope(text []byte) (int, error) {
	var board struct {
		Panels []struct {
			Title   string
			Targets []json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return 0, err
	}
	count := 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			var kind struct{ Datasource struct{ Type string } }
			if err := json.Unmarshal(target, &kind); err != nil {
				return 0, err
			}
			if kind.Datasource.Type != "grafana-pyroscope-datasource" {
				continue
			}
			if err := complaints(new(grafanapyroscope.Dataquery).UnmarshalJSONStrict(target)); err != nil {
				return 0, fmt.Errorf("%s: %w", panel.Title, err)
			}
			count++
		}
	}
	return count, nil
}

func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := complaints(new(dashboard.Dashboard).UnmarshalJSONStrict(text)); err != nil {
		return err
	}
	var board dashboard.Dashboard
	if err := json.Unmarshal(text, &board); err != nil {
		return err
	}
	if err := complaints(board.Validate()); err != nil {
		return err
	}
	profiles, err := checkPyroscope(text)
	if err != nil {
		return err
	}
	panels, queries := 0, 0
	for _, p := range board.Panels {
		if p.Panel != nil {
			panels++
			queries += len(p.Panel.Targets)
		}
	}
	if queries == 0 || profiles == 0 {
		return errors.New("no panel has a query, or none of profiles")
	}
	fmt.Printf("%s: %d panels, %d queries, %d of profiles\n", path, panels, queries, profiles)
	return nil
}

func main() {
	plugins.RegisterDefaultPlugins()
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
	}
}
