// SPDX-License-Identifier: Apache-2.0

// Checks the examples with the code that reads them in production: Kubernetes' own types and its evaluator of admission
// policies, and docker compose's loader.
//
//	schema decode FILE...       every document is of a known kind and has no unknown field
//	schema admit POLICY POD     prints the pod as the API server would store it
//	schema compose FILE         is valid, and names the services
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/openapi/openapitest"
	"sigs.k8s.io/yaml"
)

// decode reads every document of a file strictly: unknown and repeated fields are errors.
func decode(path string) ([]runtime.Object, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
	defer documents.Close()
	var found []runtime.Object
	for {
		buffer := make([]byte, len(data)+1)
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		object, _, err := strict.Decode(buffer[:n], nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		found = append(found, object)
	}
}

type evaluator struct {
	compiler *plugincel.CompositedCompiler
	options  plugincel.OptionalVariableDeclarations
	request  patch.Request
}

func newEvaluator(pod *corev1.Pod) (*evaluator, error) {
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		return nil, err
	}
	kind := corev1.SchemeGroupVersion.WithKind("Pod")
	resource := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	types := patch.NewTypeConverterManager(nil, openapitest.NewEmbeddedFileClient())
	go types.Run(context.Background())
	for i := 0; i < 300 && types.GetTypeConverter(kind) == nil; i++ {
		time.Sleep(100 * time.Millisecond)
	}
	attributes := admission.NewAttributesRecord(pod, nil, kind, "default", pod.Name, resource, "", admission.Create,
		&metav1.CreateOptions{}, false, nil)
	return &evaluator{compiler, plugincel.OptionalVariableDeclarations{HasAuthorizer: true}, patch.Request{
		MatchedResource: resource,
		VersionedAttributes: &admission.VersionedAttributes{Attributes: attributes, VersionedKind: kind,
			VersionedObject: admission.NewLazyObject(pod)},
		ObjectInterfaces: admission.NewObjectInterfacesFromScheme(scheme.Scheme),
		TypeConverter:    types.GetTypeConverter(kind),
	}}, nil
}

func (e *evaluator) matches(ctx context.Context, policy *admissionv1.MutatingAdmissionPolicy) (bool, error) {
	conditions := make([]plugincel.ExpressionAccessor, len(policy.Spec.MatchConditions))
	for i := range policy.Spec.MatchConditions {
		conditions[i] = (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i])
	}
	fail := admissionv1.Fail
	matcher := matchconditions.NewMatcher(e.compiler.CompileCondition(conditions, e.options, environment.StoredExpressions),
		&fail, "policy", "validate", policy.Name)
	result := matcher.Match(ctx, e.request.VersionedAttributes, nil, nil)
	return result.Matches, result.Error
}

func (e *evaluator) mutate(ctx context.Context, mutation admissionv1.Mutation) (runtime.Object, error) {
	options := e.options
	options.HasPatchTypes = true
	var accessor plugincel.ExpressionAccessor
	if mutation.PatchType == admissionv1.PatchTypeJSONPatch {
		accessor = &patch.JSONPatchCondition{Expression: mutation.JSONPatch.Expression}
	} else {
		accessor = &patch.ApplyConfigurationCondition{Expression: mutation.ApplyConfiguration.Expression}
	}
	compiled := e.compiler.CompileMutatingEvaluator(accessor, options, environment.StoredExpressions)
	if err := compiled.CompilationErrors(); len(err) > 0 {
		return nil, errors.Join(err...)
	}
	patcher := patch.NewApplyConfigurationPatcher(compiled)
	if mutation.PatchType == admissionv1.PatchTypeJSONPatch {
		patcher = patch.NewJSONPatcher(compiled)
	}
	return patcher.Patch(ctx, e.request, celconfig.RuntimeCELCostBudget)
}

func selects(policy *admissionv1.MutatingAdmissionPolicy, pod *corev1.Pod) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(policy.Spec.MatchConstraints.ObjectSelector)
	return err == nil && selector.Matches(labels.Set(pod.Labels)), err
}

func admit(policyPath, podPath string) error {
	policies, err := decode(policyPath)
	if err != nil {
		return err
	}
	pods, err := decode(podPath)
	if err != nil {
		return err
	}
	policy, pod := policies[0].(*admissionv1.MutatingAdmissionPolicy), pods[0].(*corev1.Pod)
	ctx := context.Background()
	for i, mutation := range policy.Spec.Mutations {
		e, err := newEvaluator(pod)
		if err != nil {
			return err
		}
		ctx := e.compiler.CreateContext(ctx)
		if i == 0 {
			selected, err := selects(policy, pod)
			if err != nil {
				return err
			}
			matched, err := e.matches(ctx, policy)
			if err != nil {
				return err
			}
			if !selected || !matched {
				fmt.Fprintln(os.Stderr, "not selected")
				break
			}
		}
		changed, err := e.mutate(ctx, mutation)
		if err != nil {
			return err
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(changed)
		if err != nil {
			return err
		}
		pod = &corev1.Pod{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, pod); err != nil {
			return err
		}
		pod.TypeMeta = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
	}
	pod.TypeMeta = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
	text, err := yaml.Marshal(pod)
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	return err
}

func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithWorkingDirectory(filepath.Dir(path)), cli.WithResolvedPaths(true))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	names := project.ServiceNames()
	sort.Strings(names)
	for _, name := range names {
		for _, volume := range project.Services[name].Volumes {
			if volume.Type == "bind" {
				if _, err := os.Stat(volume.Source); err != nil {
					return err
				}
			}
		}
	}
	fmt.Println(names)
	return nil
}

func run(arguments []string) error {
	switch {
	case len(arguments) >= 2 && arguments[0] == "decode":
		for _, path := range arguments[1:] {
			objects, err := decode(path)
			if err != nil {
				return err
			}
			for _, object := range objects {
				fmt.Println(path, object.GetObjectKind().GroupVersionKind())
			}
		}
		return nil
	case len(arguments) == 3 && arguments[0] == "admit":
		return admit(arguments[1], arguments[2])
	case len(arguments) == 2 && arguments[0] == "compose":
		return compose(arguments[1])
	}
	return errors.New("usage: schema decode FILE... | admit POLICY POD | compose FILE")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
